CREATE TABLE sweep_hold (
  sweep INTEGER PRIMARY KEY REFERENCES sweep (id),
  gpu_hours REAL,                    -- limits.gpu_hours; NULL: none
  max_failures INTEGER,              -- limits.max_failures; NULL: none
  held TEXT NOT NULL DEFAULT '',     -- why no run of the sweep starts; empty: they do
  lifted_seq INTEGER NOT NULL DEFAULT 0,     -- failures count from this event on
  lifted_gpu_hours REAL NOT NULL DEFAULT 0   -- and hours beyond these
) STRICT;
