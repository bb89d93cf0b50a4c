namespace sarsweep::trainer {}
