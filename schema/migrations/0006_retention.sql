-- 1: to be removed; no run resumes or starts from it any more.
ALTER TABLE checkpoint ADD COLUMN doomed INTEGER NOT NULL DEFAULT 0 CHECK (doomed IN (0, 1));
CREATE INDEX checkpoint_doomed ON checkpoint (run) WHERE doomed = 1;

-- The checkpoint that a run was started from, from its first grant on: it is never doomed, for the
-- child's own checkpoints lean on its weights.
CREATE TABLE checkpoint_pin (
  child INTEGER PRIMARY KEY REFERENCES run (id),
  run INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  step INTEGER NOT NULL
) STRICT;
CREATE INDEX pin_by_run ON checkpoint_pin (run);
