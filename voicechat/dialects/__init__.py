"""The languages that services speak, each as a sans-I/O codec between wire frames and our vocabulary."""
