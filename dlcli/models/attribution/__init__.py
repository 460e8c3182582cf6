"""What in a sample a network's answer comes from: gradients, integrated gradients, what hiding a part changes, Grad-CAM."""
