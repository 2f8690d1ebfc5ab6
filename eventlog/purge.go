package eventlog

// TypePurged is the type of the event that a purge leaves in the log's own stream. Its
// body holds totals only.
const TypePurged = "streams.purged.1"
