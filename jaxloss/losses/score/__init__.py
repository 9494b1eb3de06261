"""Proper scores of forecasts: of quantiles, of laws, of probabilities and of ensembles."""
