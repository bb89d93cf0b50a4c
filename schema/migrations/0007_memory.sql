-- How often the run's micro batch was halved after it ran out of memory.
ALTER TABLE run ADD COLUMN micro_halvings INTEGER NOT NULL DEFAULT 0 CHECK (micro_halvings >= 0);
-- The images of one pass with which the attempt ran out of memory, by its own end event.
ALTER TABLE attempt ADD COLUMN end_micro_batch INTEGER;
