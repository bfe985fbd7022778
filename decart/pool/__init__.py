"""What a pool of jobs decides: pure functions and small state machines, without I/O, clock or threads.

`schedule` says which exchange is due, `throttle` how fast they may follow each other, `spending` what may be spent and
`saving` which file a video goes to. `decart._async.pool` carries it out.
"""
