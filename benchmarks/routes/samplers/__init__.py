"""Other people's methods, as samplers that plug in beside the three routes."""
