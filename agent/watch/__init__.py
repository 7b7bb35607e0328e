"""What is watched and told: health, disks, drift, alerts, associations, and how models and readers compare."""
