"""From what is seen to what is predicted: history, prompt, forecast."""
