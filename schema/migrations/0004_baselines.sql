-- JSON {study: cell}: what the study's other cells are compared with; absent: its first cell.
ALTER TABLE sweep ADD COLUMN baselines TEXT NOT NULL DEFAULT '{}';
