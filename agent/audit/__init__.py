"""The audit trail as DICOM audit messages (PS3.15 A.5): how they are written, and handed over to file and syslog."""
