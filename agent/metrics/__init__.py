"""Metrics for Prometheus: what happened is counted by each process, what stands is read from the database.

`counted` has what happened, `standing` what stands, `joining` how the processes of a host put their counts together,
`exposition` what is answered, `listener` who answers on a host without pages.
"""
