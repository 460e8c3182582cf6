"""One module for each place that data comes from. NumPy only: tensors are made in `dlcli.data.dataset`."""
