-- A person's wish that a worker takes no new run; it outlives the worker's processes.
ALTER TABLE worker ADD COLUMN drain TEXT NOT NULL DEFAULT 'none' CHECK (drain IN ('none', 'finish', 'now'));
ALTER TABLE worker ADD COLUMN drained_by TEXT NOT NULL DEFAULT '';
ALTER TABLE worker ADD COLUMN drained_ms INTEGER;
