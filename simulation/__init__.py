"""Hidden tastes and the shoppers who have them: for the demo, the benchmarks and the tests."""
