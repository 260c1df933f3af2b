"""How good and how sure: metrics, paired tests, resampling, calibration, selective prediction, corruptions."""
