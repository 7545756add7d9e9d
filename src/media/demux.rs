//! [`DemuxTable`]: demultiplexers that feed several sources, named by id.

/// Demultiplexers in use.
#[derive(Debug, Default)]
pub struct DemuxTable {}
