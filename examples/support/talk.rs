//! Back channels: the codecs that the programs take, and the file that a talk goes to.

use super::{Arguments, Failure, Stop, wrong};
use riverrun::codec::{CodecParameters, PcmEncoding};
use riverrun::media::sinks::{FileSink, MediaSink};
use riverrun::payload::FormatRegistry;
use riverrun::relay::ProxyBackChannel;
use riverrun::rtp::ReceivedFrame;
use riverrun::server::BackChannelSink;
use riverrun::server::pool::SessionInfo;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Frames that may wait to be written.
const MAX_WAITING: usize = 500;

/// What the help texts say of a codec of a back channel.
pub(crate) const CODECS: &str = "pcmu, pcma, l16 (16 kHz) or aac (16 kHz); one channel";

/// The codec that an option names.
pub(crate) fn codec(arguments: &mut Arguments, option: &str) -> Result<CodecParameters, Stop> {
    let value = arguments.value()?;
    let name = value.to_str().unwrap_or_default();
    codec_of(name).ok_or_else(|| wrong(format!("{option}: {CODECS}")))
}

/// The back channel of a pulled source, in the codec that an option names.
pub(crate) fn of_source(arguments: &mut Arguments, option: &str) -> Result<ProxyBackChannel, Stop> {
    back_channel(&codec(arguments, option)?).map_err(|e| wrong(format!("{option}: {e}")))
}

/// The back channel of a pulled source.
pub(crate) fn back_channel(codec: &CodecParameters) -> Result<ProxyBackChannel, riverrun::Error> {
    let mut channel = ProxyBackChannel::default();
    channel.format = FormatRegistry::standard().format(codec, 96)?;
    Ok(channel)
}

/// The codec of a name.
pub(crate) fn codec_of(name: &str) -> Option<CodecParameters> {
    let pcm =
        |encoding, sampling_rate| CodecParameters::Pcm { encoding, sampling_rate, channels: 1 };
    Some(match name {
        "pcmu" => pcm(PcmEncoding::Pcmu, 8000),
        "pcma" => pcm(PcmEncoding::Pcma, 8000),
        "l16" => pcm(PcmEncoding::L16, 16_000),
        // AAC-LC (ISO/IEC 14496-3 section 1.6.2.1).
        "aac" => CodecParameters::Aac {
            config: vec![0x14, 0x08].into(),
            sampling_rate: 16_000,
            channels: 1,
        },
        _ => return None,
    })
}

/// Hands what is said to a thread that writes it into a file.
pub(crate) struct FileOfTalk(SyncSender<ReceivedFrame>);

impl FileOfTalk {
    /// Makes the file, which is complete when the sink is dropped and the thread has ended.
    pub(crate) fn create(
        path: &Path,
        codec: &CodecParameters,
    ) -> Result<(Self, JoinHandle<()>), Failure> {
        let file = FileSink::create(path, codec)?;
        let (sender, frames) = sync_channel(MAX_WAITING);
        let writer = thread::Builder::new().name("back channel".into());
        let writer = writer.spawn(move || write(file, &frames))?;
        Ok((Self(sender), writer))
    }
}

fn write(mut file: FileSink, frames: &Receiver<ReceivedFrame>) {
    for frame in frames {
        if let Err(e) = file.handle_frame(&frame.into_frame(Duration::ZERO)) {
            return log::error!("what is said is not written any more: {e}");
        }
    }
    if let Err(e) = file.finish() {
        log::error!("the file of what was said is not complete: {e}");
    }
}

impl BackChannelSink for FileOfTalk {
    fn talker_came(&mut self, talker: &SessionInfo) {
        log::info!("{} talks", talker.peer);
    }

    fn frame(&mut self, frame: ReceivedFrame) {
        if self.0.try_send(frame).is_err() {
            log::warn!("a frame of what is said is lost");
        }
    }

    fn talker_left(&mut self, talker: &SessionInfo) {
        log::info!("{} talks no more", talker.peer);
    }
}
