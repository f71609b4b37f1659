-- Ours: who works on which trial, and until when that is believed.

CREATE TABLE cosfit_leases (
  trial_id INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  released INTEGER NOT NULL DEFAULT 0,
  worker VARCHAR(512) NOT NULL,
  lease_until {time},
  PRIMARY KEY (trial_id),
  FOREIGN KEY (trial_id) REFERENCES trials (trial_id) ON DELETE CASCADE
);
CREATE INDEX ix_cosfit_leases_lease_until ON cosfit_leases (lease_until);
