-- What waits for a parent that is to be chosen, asked for every second: ten thousand runs wait for one choice.
CREATE INDEX run_by_choice ON run (state, sweep, parent_choice, parent_checkpoint, seed, alias_of, parent)
  WHERE alias_of IS NULL AND parent IS NULL AND parent_choice IS NOT NULL;
