-- resources.vram in bytes, and the slots that a worker does not offer although no run holds them.
ALTER TABLE run ADD COLUMN vram INTEGER NOT NULL DEFAULT 0 CHECK (vram >= 0);
DROP INDEX run_queue;
CREATE INDEX run_queue ON run (priority DESC, sweep, position, id, slots, device, vram, state, alias_of)
  WHERE state = 'queued' AND alias_of IS NULL;
ALTER TABLE worker ADD COLUMN resting TEXT NOT NULL DEFAULT '[]';
