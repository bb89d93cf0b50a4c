-- 1: made by `fork` out of another run; no file names it, and none withdraws it.
ALTER TABLE run ADD COLUMN forked INTEGER NOT NULL DEFAULT 0 CHECK (forked IN (0, 1));
-- The run_hash that the file gave a run which `extend` has given another.
ALTER TABLE run ADD COLUMN extended_from TEXT;
