//! What is said in HTTP (RFC 1945) to open a tunnel.

/// The content type of both directions.
pub(super) const CONTENT_TYPE: &str = "application/x-rtsp-tunnelled";
/// The header field with the cookie.
pub(super) const COOKIE: &str = "x-sessioncookie";
/// Longest cookie that a server takes.
const MAX_COOKIE: usize = 128;

/// A method of HTTP, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HttpMethod {
    Get,
    Post,
}

/// An HTTP request, as far as it matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HttpRequest {
    pub(crate) method: HttpMethod,
    /// The cookie of a tunnel. One that is empty, too long or not text of visible characters is
    /// none.
    pub(crate) cookie: Option<Box<str>>,
}

impl HttpRequest {
    /// Whether the first bytes of a connection may be those of a request.
    pub(crate) fn may_begin(bytes: &[u8]) -> bool {
        [&b"GET "[..], b"POST "].iter().any(|method| {
            let n = bytes.len().min(method.len());
            bytes.get(..n) == method.get(..n)
        })
    }

    /// Reads a head up to its empty line. `None`: this is not HTTP.
    pub(crate) fn parse(head: &[u8]) -> Option<Self> {
        let head = String::from_utf8_lossy(head);
        let mut lines = head.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
        let (method, rest) = lines.next()?.split_once(' ')?;
        let (_, version) = rest.rsplit_once(' ')?;
        let method = match method {
            "GET" => HttpMethod::Get,
            "POST" => HttpMethod::Post,
            _ => return None,
        };
        if !version.starts_with("HTTP/") {
            return None;
        }
        let cookie = lines.find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.trim().eq_ignore_ascii_case(COOKIE).then(|| value.trim())
        });
        let is_fit = |cookie: &&str| {
            (1..=MAX_COOKIE).contains(&cookie.len()) && cookie.bytes().all(|b| b.is_ascii_graphic())
        };
        Some(Self { method, cookie: cookie.filter(is_fit).map(Box::from) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_of_known_clients() {
        let parse = |text: &str| HttpRequest::parse(text.as_bytes());
        let get = "GET /x HTTP/1.0\r\nHost: h\r\nX-SessionCookie:  a1b2= \r\nAccept: x\r\n\r\n";
        let cookie = Some("a1b2=".into());
        assert_eq!(parse(get), Some(HttpRequest { method: HttpMethod::Get, cookie }));
        let post = "POST /a b?c HTTP/1.1\nHost: h\n\n";
        assert_eq!(parse(post), Some(HttpRequest { method: HttpMethod::Post, cookie: None }));
        for no_cookie in ["", "a b", "\u{e9}", &"x".repeat(129)] {
            let text = format!("GET / HTTP/1.0\r\nx-sessioncookie: {no_cookie}\r\n\r\n");
            assert_eq!(parse(&text).map(|request| request.cookie), Some(None), "{no_cookie}");
        }
        for other in ["", "GET", "GET /x", "GET /x RTSP/1.0\r\n\r\n", "PUT /x HTTP/1.0\r\n\r\n"] {
            assert_eq!(parse(other), None, "{other}");
        }
    }

    #[test]
    fn the_beginning_tells_http_from_rtsp() {
        for http in ["", "G", "GET", "GET ", "GET /x", "P", "POS", "POST /"] {
            assert!(HttpRequest::may_begin(http.as_bytes()), "{http}");
        }
        for rtsp in ["GET_", "GET_PARAMETER", "PL", "PAUSE", "POSTS", "O", "$", "\x16"] {
            assert!(!HttpRequest::may_begin(rtsp.as_bytes()), "{rtsp}");
        }
    }
}
