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
