"""What users call: decorators, blocks, timers, configuration."""
