//! One frame to many: UDP sockets on loopback, with and without segmentation offload.
//!
//! Receivers take a run of segments in one piece where the system can, as a network card does: what
//! is measured is sending. Nobody reads what arrives; the kernel throws away what finds no room.

use criterion::{BenchmarkId, Criterion, Throughput};
use riverrun::env::UsageEnvironment;
use riverrun::net::{Datagrams, UdpSocket};
use riverrun::payload::PacketBuffer;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;

pub(crate) fn run(c: &mut Criterion) {
    let mut sink = super::h264::sink();
    let frame = super::h264::frame();
    let mut packets = PacketBuffer::default();
    sink.handle_frame(&frame, frame.pts, &mut packets);
    let spans: Vec<Range<usize>> = packets.spans().iter().map(|span| span.range()).collect();
    let datagrams = Datagrams { buffer: packets.bytes(), spans: &spans };

    let mut env = UsageEnvironment::new().expect("an environment");
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut group = c.benchmark_group("frame of 14 packets over UDP");
    for count in [1, 50, 1_000] {
        let bind = || std::net::UdpSocket::bind(any);
        #[cfg(target_os = "linux")]
        let bind = || {
            let socket = bind()?;
            use nix::sys::socket::{setsockopt, sockopt::UdpGroSegment};
            setsockopt(&socket, UdpGroSegment, &true)?;
            Ok::<_, std::io::Error>(socket)
        };
        // The limit of open files may be lower than this wants.
        let receivers: Vec<_> = (0..count).map_while(|_| bind().ok()).collect();
        let to: Vec<_> = receivers.iter().filter_map(|r| r.local_addr().ok()).collect();
        group.throughput(Throughput::Elements((to.len() * spans.len()) as u64));
        for (gso, name) in [(true, "with offload to"), (false, "without offload to")] {
            let mut socket = UdpSocket::bind(&mut env, any).expect("a socket");
            socket.set_gso(gso);
            let mut failed = Vec::new();
            group.bench_function(BenchmarkId::new(name, to.len()), |b| {
                b.iter(|| socket.send_batch(&mut env, &datagrams, &to, &mut failed));
            });
            assert!(failed.is_empty(), "{failed:?}");
            socket.close(&mut env);
        }
    }
    group.finish();
}
