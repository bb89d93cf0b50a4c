#pragma once

// The distributions that intervals and tests are read from. Relative errors lie below 1e-10. Pure.
namespace sarsweep::stats {

double normal_cdf(double z);
double normal_quantile(double p);  // p in (0, 1); infinite at 0 and 1

// Student's t with any positive number of degrees of freedom, infinity (the normal distribution)
// included: P(|T| >= |t|), and the t >= 0 with that two-sided tail for a tail in (0, 1).
double student_two_sided(double t, double degrees);
double student_critical(double tail, double degrees);

// P(X <= x) of the chi-squared distribution, degrees > 0.
double chi_squared_cdf(double x, double degrees);

}  // namespace sarsweep::stats
