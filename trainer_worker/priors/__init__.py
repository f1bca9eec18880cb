"""Fitting of priors: `python -m trainer_worker.priors`."""
