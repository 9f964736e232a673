"""What `make demo` runs: Drover empties a node of a simulated fleet on a real control plane; shown and checked."""
