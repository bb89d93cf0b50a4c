-- What the scheduler looks at, beside the documents that it need not read: `resources.gpus` and
-- `resources.device` of the config.
ALTER TABLE run ADD COLUMN slots INTEGER NOT NULL DEFAULT 1 CHECK (slots >= 1);
ALTER TABLE run ADD COLUMN device TEXT NOT NULL DEFAULT 'auto' CHECK (device IN ('auto', 'cpu', 'cuda'));
UPDATE run SET
  slots = COALESCE((SELECT json_extract(s.config, '$."resources.gpus"') FROM shared_config s
                     WHERE s.id = run.shared_config),
                   json_extract(config, '$."resources.gpus"'), 1),
  device = COALESCE((SELECT json_extract(s.config, '$."resources.device"') FROM shared_config s
                      WHERE s.id = run.shared_config),
                    json_extract(config, '$."resources.device"'), 'auto');
-- The queue in the order in which it is granted, with all that is looked at: no row of `run` is read.
CREATE INDEX run_queue ON run (priority DESC, sweep, position, id, slots, device, state, alias_of)
  WHERE state = 'queued' AND alias_of IS NULL;
-- Who waits behind whom, for the parents that let nobody pass yet.
DROP INDEX run_by_state;
CREATE INDEX run_by_state ON run (state, alias_of, parent);
-- The slots that a worker's open attempts hold.
CREATE INDEX open_attempt_by_worker ON attempt (worker) WHERE "end" IS NULL;
-- The newest attempt's last train/gpu_hours of each run, for limits.gpu_hours: the sum over a sweep is
-- asked for every second.
CREATE TABLE run_hours (
  sweep INTEGER NOT NULL REFERENCES sweep (id),
  run INTEGER NOT NULL,
  hours REAL,                        -- NULL: not a number
  PRIMARY KEY (sweep, run)
) STRICT, WITHOUT ROWID;
INSERT INTO run_hours (sweep, run, hours)
  SELECT r.sweep, r.id, (SELECT m.value FROM metric m WHERE m.run = r.id AND m.key = k.id
                          ORDER BY m.attempt DESC, m.step DESC LIMIT 1)
    FROM run r JOIN metric_key k ON k.name = 'train/gpu_hours'
   WHERE EXISTS (SELECT 1 FROM metric m WHERE m.run = r.id AND m.key = k.id);
