"""The public names that `decart` looks up when they are first asked for."""

LATER = {
    "_async.client": "AsyncDecartClient",
    "_async.lookups": "AsyncModelsClient",
    "_async.files": "AsyncFilesClient",
    "_async.jobs": "AsyncJobsClient",
    "_async.pool": "AsyncJobPool",
    "_async.queue": "AsyncQueueClient",
    "_async.tokens": "AsyncTokensClient",
    "_async.transfers": "AsyncVideoStream",
    "_sync.lookups": "ModelsClient",
    "_sync.files": "FilesClient",
    "_sync.jobs": "JobsClient",
    "_sync.pool": "JobPool",
    "_sync.queue": "QueueClient",
    "_sync.tokens": "TokensClient",
    "_sync.transfers": "VideoStream",
    "claims": "ClientTokenClaims VerifiedClientToken",
    "client": "DecartClient",
    "events": "EventHook",
    "uploads": "FileInput",
    "file_inputs": "FirstLastFrameInput ImageToImageInput ImageToMotionVideoInput ImageToVideoInput "
    "MotionTrajectoryInput VideoEditInput VideoRestyleInput VideoToVideoInput",
    "images": "ImageResult SavedImage",
    "journal.jobstep": "JobStep",
    "journal": "JobRecord Journal JournalError LabelBusyError LabelConflictError MemoryJournal SQLiteJournal",
    "lookups": "Provenance",
    "files": "FileReference",
    "inputs": "JobInput TextToImageInput TextToVideoInput",
    "jobs": "CompletedJob FailedJob JobStatus JobStatusResponse JobSubmitResponse PollStep QueueJobResult SavedJob",
    "models": "ImageModelName ModelDefinition VideoModelName",
    "options": "FirstLastFrameOptions ImageOptions ImageToImageOptions ImageToMotionVideoOptions ImageToVideoOptions "
    "JobOptions TextToImageOptions TextToVideoOptions VideoEditOptions VideoRestyleOptions VideoToVideoOptions",
    "policies": "PollPolicy RetryPolicy",
    "pool.spending": "SpendLimitError",
    "progress": "OnPoolProgress OnProgress PoolProgress Progress",
    "tokens": "CreateTokenResponse RealtimeConstraints TokenConstraints TokenPermissions",
    "transports.aiohttp": "AiohttpTransport",
    "transports.base": "Timeout",
    "transports.requests": "RequestsTransport",
    "transports.threaded": "ThreadedTransport",
    "transports.urllib3": "Urllib3Transport",
}
"""Each module, and its names. AiohttpTransport is not in ``decart.__all__``: it needs an extra."""

WHERE = {name: module for module, names in LATER.items() for name in names.split()}
"""Each name, and its module."""
