"""DICOMweb (PS3.18): store, search and retrieve over HTTP, for viewers and programs that hold a token."""
