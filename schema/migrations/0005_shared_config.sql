-- What all runs of one submit hold alike; `run.config` and `run.origins` hold the rest.
CREATE TABLE shared_config (
  id INTEGER PRIMARY KEY,
  digest TEXT NOT NULL UNIQUE,
  config TEXT NOT NULL,
  origins TEXT NOT NULL
) STRICT;
ALTER TABLE run ADD COLUMN shared_config INTEGER REFERENCES shared_config (id);
