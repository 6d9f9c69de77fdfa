"""What an image, a label, a measurement and an answer are; numpy, OpenCV and Pillow, no torch."""
