// Package study keeps a sweep in a database, in the tables that Optuna makes
// for itself: Python's optuna.load_study and optuna-dashboard open it as it
// is, while the sweep runs and afterwards. [Create] and [Open] take a SQLite
// file or a PostgreSQL server, and other studies may be in the same database,
// whoever made them.
//
// Workers share the trials of a study, be they goroutines, processes or
// machines. What Optuna's tables lack stands in one of our own, cosfit_leases:
//
//	trial_id     which trial
//	attempt      how often it was begun, from 1
//	worker       who begins it, in words
//	lease_until  by the database's clock, in UTC; null once the trial has ended
//
// A worker that reports or beats has its lease prolonged. When a lease runs
// out, the next [Study.Ask] hands the same point to another worker, under the
// next attempt number, and removes what the dead attempt has reported: the new
// one begins at its first epoch, and a pruner must not take it to be further
// than it is. From then on the old attempt number gets [ErrLost] whatever it
// asks, and changes nothing. So each trial ends once.
//
// Trials are numbered without gaps, and are begun one at a time: the function
// that proposes a point sees every trial before it. Optuna numbers them under
// the same lock, so Python may add trials meanwhile. Those that are no point
// of the study's space stay out of its history.
//
// The schema is that of Optuna 3.2 to 5.0 (alembic's v3.2.0.a), with times in
// UTC as of 5.0; before, Optuna took them for local ones. Its own heartbeats
// stay unused, so that no Python process fails our trials.
package study
