//! Bodies for RTSP in HTTP: a server, to which the input is said in connections that may be halves
//! of a tunnel.

use crate::env::UsageEnvironment;
use crate::net::{Base64Input, HttpRequest, TcpStream};
use crate::server::{RtspServer, ServerConfig};
use std::time::Duration;

const GET: &[u8] = b"GET /a HTTP/1.0\r\nx-sessioncookie: a\r\n\r\n";
const POST: &[u8] = b"POST /a HTTP/1.0\r\nx-sessioncookie: a\r\n\r\n";

fn decoded(text: &[u8], piece: usize) -> Option<Vec<u8>> {
    let (mut input, mut all) = (Base64Input::default(), Vec::new());
    for piece in text.chunks(piece) {
        let mut out = vec![0; piece.len()];
        let n = input.decode(piece, &mut out)?;
        all.extend_from_slice(out.get(..n).unwrap_or_default());
    }
    Some(all)
}

/// The first byte says into which pieces what follows is cut. That is decoded, read as the head of
/// a request, and said by three clients: at the beginning of a connection, in the POST of a tunnel,
/// and in that of another host.
pub fn tunnel(data: &[u8]) {
    let Some((&how, text)) = data.split_first() else { return };
    let piece = usize::from(how % 32) + 1;
    let whole = decoded(text, text.len().max(1));
    assert_eq!(whole, decoded(text, piece), "the cuts matter");
    assert!(whole.is_none_or(|bytes| bytes.len() <= text.len().div_ceil(4) * 3));
    let _ = HttpRequest::parse(text);

    let mut env = UsageEnvironment::simulated(how.into());
    let config =
        ServerConfig { handshake_timeout: Duration::from_secs(1), ..ServerConfig::default() };
    let Ok(listen) = "10.0.0.1:554".parse() else { return };
    let Ok(server) = RtspServer::new(&mut env, config, &[listen]) else { return };
    let run = |env: &mut UsageEnvironment, time| {
        let end = env.now() + Duration::from_millis(time);
        while env.now() < end {
            let left = end - env.now();
            env.turn(Some(left)).expect("the loop goes on");
        }
    };
    let said: [(&str, &[u8], &[u8]); 4] = [
        ("10.0.0.2:0", GET, b""),
        ("10.0.0.2:0", POST, text),
        ("10.0.0.3:0", POST, text),
        ("10.0.0.2:0", b"", text),
    ];
    let mut streams = Vec::new();
    for (from, head, text) in said {
        let Ok(from) = from.parse() else { return };
        let Ok(mut stream) = TcpStream::connect_from(&mut env, Some(from), listen) else { return };
        run(&mut env, 20);
        // The server may have closed it already.
        let _ = stream.write(&mut env, head);
        for piece in text.chunks(piece).take(64) {
            let _ = stream.write(&mut env, piece);
            run(&mut env, 5);
        }
        streams.push(stream);
    }
    run(&mut env, 100);
    streams.into_iter().for_each(|stream| stream.close(&mut env));
    run(&mut env, 2000);
    let left = env.medium(server).map(RtspServer::connection_count);
    assert_eq!(left, Some(0), "connections that nobody holds");
}
