-- JSON {study, by, index, per_seed}: the parent is chosen when that study has ended.
ALTER TABLE run ADD COLUMN parent_choice TEXT;
