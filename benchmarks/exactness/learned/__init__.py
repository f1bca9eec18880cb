"""`twisted` on the shipped, learned priors, against importance weights on many draws of the prior."""
