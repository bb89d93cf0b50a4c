-- The schema after every migration, for readers; a test holds it against schema/migrations.
-- Times ending in _ms are Unix milliseconds, for people and for backoffs; leases live in monotonic
-- time inside the coordinator. Columns of JSON carry no json_valid(): with trusted_schema off SQLite
-- refuses functions in CHECKs. The CHECK lists equal the enums of schema/protocol/run_state.h.

CREATE TABLE store_info (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  incarnation TEXT NOT NULL,  -- secret of this store's grant tokens
  created_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE sweep (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  description TEXT NOT NULL,
  objective_metric TEXT NOT NULL,
  objective_goal TEXT NOT NULL CHECK (objective_goal IN ('minimize', 'maximize')),
  report TEXT NOT NULL,
  studies TEXT NOT NULL,
  text TEXT NOT NULL,
  file TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  baselines TEXT NOT NULL DEFAULT '{}'  -- JSON {study: cell}; absent: the study's first cell
) STRICT;

CREATE TABLE sweep_hold (
  sweep INTEGER PRIMARY KEY REFERENCES sweep (id),
  gpu_hours REAL,                    -- limits.gpu_hours; NULL: none
  max_failures INTEGER,              -- limits.max_failures; NULL: none
  held TEXT NOT NULL DEFAULT '',     -- why no run of the sweep starts; empty: they do
  lifted_seq INTEGER NOT NULL DEFAULT 0,     -- failures count from this event on
  lifted_gpu_hours REAL NOT NULL DEFAULT 0   -- and hours beyond these
) STRICT;

-- The newest attempt's last train/gpu_hours of each run, for limits.gpu_hours: the sum over a sweep is
-- asked for every second.
CREATE TABLE run_hours (
  sweep INTEGER NOT NULL REFERENCES sweep (id),
  run INTEGER NOT NULL,
  hours REAL,                        -- NULL: not a number
  PRIMARY KEY (sweep, run)
) STRICT, WITHOUT ROWID;

CREATE TABLE submission (
  key TEXT PRIMARY KEY,       -- Idempotency-Key
  digest TEXT NOT NULL,       -- SHA-256 of the request
  reply TEXT NOT NULL,
  created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What all runs of one submit hold alike; run.config and run.origins hold the rest.
CREATE TABLE shared_config (
  id INTEGER PRIMARY KEY,
  digest TEXT NOT NULL UNIQUE,
  config TEXT NOT NULL,
  origins TEXT NOT NULL
) STRICT;

CREATE TABLE run (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  uid TEXT NOT NULL UNIQUE,   -- the id outside; random, so that a new database never meets old folders
  sweep INTEGER NOT NULL REFERENCES sweep (id),
  position INTEGER NOT NULL,  -- order in the file
  name TEXT NOT NULL,
  cell TEXT NOT NULL,
  label TEXT NOT NULL,
  study TEXT NOT NULL,
  seed INTEGER NOT NULL,
  cell_hash TEXT NOT NULL,
  run_hash TEXT NOT NULL,     -- with the resolved parent's
  judge_hash TEXT NOT NULL,
  alias_of INTEGER REFERENCES run (id),    -- an equal row of the same file: no state of its own
  source_run INTEGER REFERENCES run (id),  -- cached: the run whose results these are
  parent INTEGER REFERENCES run (id),
  parent_checkpoint TEXT NOT NULL DEFAULT 'last' CHECK (parent_checkpoint IN ('last', 'best')),
  config TEXT NOT NULL,          -- flat, paths as written; beyond shared_config
  origins TEXT NOT NULL,
  axes TEXT NOT NULL,
  path_bases TEXT NOT NULL,
  priority INTEGER NOT NULL DEFAULT 0 CHECK (priority BETWEEN -1 AND 1),
  retries INTEGER NOT NULL DEFAULT 2 CHECK (retries >= 0),
  state TEXT NOT NULL CHECK (state IN ('waiting', 'queued', 'backoff', 'leased', 'running', 'pausing',
    'paused', 'cancelling', 'cancelled', 'failed', 'blocked', 'done')),
  reason TEXT NOT NULL DEFAULT '',
  state_ms INTEGER NOT NULL,                       -- when it entered the state
  not_before_ms INTEGER CHECK ((state = 'backoff') = (not_before_ms IS NOT NULL)),
  generation INTEGER NOT NULL DEFAULT 1 CHECK (generation >= 1),
  lease_epoch INTEGER NOT NULL DEFAULT 0 CHECK (lease_epoch >= 0),  -- +1 at every grant, never reused
  checkpoint_floor INTEGER NOT NULL DEFAULT 1,     -- checkpoints of older epochs are forgotten
  user_failures INTEGER NOT NULL DEFAULT 0 CHECK (user_failures >= 0),
  infra_failures INTEGER NOT NULL DEFAULT 0 CHECK (infra_failures >= 0),
  step INTEGER NOT NULL DEFAULT 0,
  total_steps INTEGER,
  stage TEXT NOT NULL DEFAULT '',
  digests TEXT,
  created_ms INTEGER NOT NULL,
  started_ms INTEGER,
  finished_ms INTEGER,
  parent_choice TEXT,  -- JSON {study, by, index, per_seed}: chosen when that study has ended
  shared_config INTEGER REFERENCES shared_config (id),
  micro_halvings INTEGER NOT NULL DEFAULT 0 CHECK (micro_halvings >= 0),  -- after running out of memory
  forked INTEGER NOT NULL DEFAULT 0 CHECK (forked IN (0, 1)),  -- 1: by `fork`; no file names it
  extended_from TEXT,   -- the run_hash that the file gave it, where `extend` gave it another
  slots INTEGER NOT NULL DEFAULT 1 CHECK (slots >= 1),  -- resources.gpus, resources.device of the config
  device TEXT NOT NULL DEFAULT 'auto' CHECK (device IN ('auto', 'cpu', 'cuda')),
  vram INTEGER NOT NULL DEFAULT 0 CHECK (vram >= 0),  -- resources.vram in bytes; 0: any
  UNIQUE (sweep, name)
) STRICT;
CREATE INDEX run_by_state ON run (state, alias_of, parent);  -- and who waits behind whom
CREATE INDEX run_by_hash ON run (run_hash);
CREATE INDEX run_by_parent ON run (parent);
-- The queue in the order in which it is granted, with all that is looked at: no row of `run` is read.
CREATE INDEX run_queue ON run (priority DESC, sweep, position, id, slots, device, vram, state, alias_of)
  WHERE state = 'queued' AND alias_of IS NULL;

-- What waits for a parent that is to be chosen, asked for every second: ten thousand runs wait for one choice.
CREATE INDEX run_by_choice ON run (state, sweep, parent_choice, parent_checkpoint, seed, alias_of, parent)
  WHERE alias_of IS NULL AND parent IS NULL AND parent_choice IS NOT NULL;

CREATE TABLE worker (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  uid TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL UNIQUE,
  incarnation TEXT NOT NULL,
  host TEXT NOT NULL,
  threads INTEGER NOT NULL,
  slots TEXT NOT NULL,
  draining INTEGER NOT NULL DEFAULT 0 CHECK (draining IN (0, 1)),
  departed INTEGER NOT NULL DEFAULT 0 CHECK (departed IN (0, 1)),
  last_seen_ms INTEGER NOT NULL,
  drain TEXT NOT NULL DEFAULT 'none' CHECK (drain IN ('none', 'finish', 'now')),  -- a person's wish
  drained_by TEXT NOT NULL DEFAULT '',
  drained_ms INTEGER,
  resting TEXT NOT NULL DEFAULT '[]'  -- JSON [{index, reason}]: slots it does not offer, though free
) STRICT;

CREATE TABLE grant_reply (
  worker INTEGER NOT NULL REFERENCES worker (id),
  incarnation TEXT NOT NULL,
  nonce TEXT NOT NULL,
  reply TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  PRIMARY KEY (worker, incarnation, nonce)
) STRICT;

CREATE TABLE attempt (
  run INTEGER NOT NULL REFERENCES run (id),
  epoch INTEGER NOT NULL CHECK (epoch >= 1),
  worker INTEGER NOT NULL REFERENCES worker (id),
  incarnation TEXT NOT NULL,         -- the worker process's
  slots TEXT NOT NULL,
  resume_step INTEGER NOT NULL,      -- -1: from scratch
  granted_ms INTEGER NOT NULL,
  started_ms INTEGER,
  finished_ms INTEGER,
  "end" TEXT CHECK ("end" IN ('succeeded', 'failed', 'lost', 'preempted', 'paused', 'cancelled',
    'fenced', 'spec_error')),
  exit_code INTEGER,                 -- set once the worker's finish was accepted
  signal INTEGER,
  reason TEXT NOT NULL DEFAULT '',
  end_exit_code INTEGER,             -- the stream's own end event, which outranks the process's code
  event_bytes INTEGER NOT NULL DEFAULT 0 CHECK (event_bytes >= 0),
  log_bytes INTEGER NOT NULL DEFAULT 0 CHECK (log_bytes >= 0),
  end_micro_batch INTEGER,           -- the images of one pass with which it ran out of memory
  PRIMARY KEY (run, epoch),
  CHECK (("end" IS NULL) = (finished_ms IS NULL))
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX one_open_attempt ON attempt (run) WHERE "end" IS NULL;
CREATE INDEX open_attempt_by_worker ON attempt (worker) WHERE "end" IS NULL;

CREATE TABLE metric_key (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE metric (
  run INTEGER NOT NULL,
  key INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  step INTEGER NOT NULL,
  value REAL,                        -- NULL: not a number
  PRIMARY KEY (run, key, attempt, step)
) STRICT, WITHOUT ROWID;

CREATE TABLE checkpoint (
  run INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  step INTEGER NOT NULL,
  path TEXT NOT NULL,                -- relative to the attempt's folder
  manifest_sha256 TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  doomed INTEGER NOT NULL DEFAULT 0 CHECK (doomed IN (0, 1)),  -- 1: to be removed
  PRIMARY KEY (run, epoch, step)
) STRICT, WITHOUT ROWID;
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

CREATE TABLE sample (
  run INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  step INTEGER NOT NULL,
  position INTEGER NOT NULL,
  file TEXT NOT NULL,
  prompt TEXT NOT NULL,
  seed INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  sha256 TEXT NOT NULL,
  PRIMARY KEY (run, epoch, step, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE evaluation (
  run INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  step INTEGER NOT NULL,
  protocol_hash TEXT NOT NULL,
  file TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  sha256 TEXT NOT NULL,
  PRIMARY KEY (run, epoch, step)
) STRICT, WITHOUT ROWID;

CREATE TABLE event (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  run INTEGER REFERENCES run (id),
  t_ms INTEGER NOT NULL,
  actor TEXT NOT NULL,
  what TEXT NOT NULL,
  detail TEXT NOT NULL
) STRICT;
CREATE INDEX event_by_run ON event (run, seq);

-- Pools of Slurm jobs, each job a worker.
CREATE TABLE slurm_pool (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  request TEXT NOT NULL,               -- JSON, as POST /api/v1/slurm/pools took it
  state TEXT NOT NULL CHECK (state IN ('active', 'paused', 'removing')),
  reason TEXT NOT NULL DEFAULT '',     -- why it is paused, where no person asked for it
  failures INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0),  -- jobs in a row that came to nothing
  slots TEXT,                          -- JSON: what its newest worker offered; NULL: none came yet
  created_ms INTEGER NOT NULL
) STRICT;

-- A row stands before its sbatch is run: whatever is lost after that, the token finds the job.
CREATE TABLE slurm_job (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  pool INTEGER NOT NULL REFERENCES slurm_pool (id),
  token TEXT NOT NULL UNIQUE,          -- the job's name at Slurm
  worker_name TEXT NOT NULL,           -- POOL-1, POOL-2, …: one of the pool's places
  state TEXT NOT NULL CHECK (state IN ('submitting', 'pending', 'running', 'lost', 'ended')),
  job_id TEXT,                         -- Slurm's; NULL: not known
  worker INTEGER REFERENCES worker (id),  -- that was admitted for it; NULL: none came yet
  reason TEXT NOT NULL DEFAULT '',     -- why it waits or how it ended, in Slurm's words
  created_ms INTEGER NOT NULL,
  ended_ms INTEGER,
  CHECK ((state IN ('lost', 'ended')) = (ended_ms IS NOT NULL)),
  CHECK (state NOT IN ('pending', 'running') OR job_id IS NOT NULL)
) STRICT;
CREATE INDEX slurm_job_by_pool ON slurm_job (pool, state);
