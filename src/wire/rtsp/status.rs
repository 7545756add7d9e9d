//! Status codes and reason phrases (RFC 2326 section 7.1.1).

use std::fmt;

/// A status code: any number of three digits, including codes that RFC 2326 does not define.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatusCode(u16);

macro_rules! codes {
    ($($code:literal $name:ident $reason:literal)*) => {
        impl StatusCode {
            $(#[doc = concat!("`", $code, " ", $reason, "`.")]
            pub const $name: Self = Self($code);)*

            /// Returns the reason phrase.
            pub const fn reason(self) -> &'static str {
                match self.0 {
                    $($code => $reason,)*
                    _ => "Unknown",
                }
            }
        }
    };
}

codes! {
    100 CONTINUE "Continue"
    200 OK "OK"
    201 CREATED "Created"
    250 LOW_ON_STORAGE_SPACE "Low on Storage Space"
    300 MULTIPLE_CHOICES "Multiple Choices"
    301 MOVED_PERMANENTLY "Moved Permanently"
    302 MOVED_TEMPORARILY "Moved Temporarily"
    303 SEE_OTHER "See Other"
    304 NOT_MODIFIED "Not Modified"
    305 USE_PROXY "Use Proxy"
    400 BAD_REQUEST "Bad Request"
    401 UNAUTHORIZED "Unauthorized"
    402 PAYMENT_REQUIRED "Payment Required"
    403 FORBIDDEN "Forbidden"
    404 NOT_FOUND "Not Found"
    405 METHOD_NOT_ALLOWED "Method Not Allowed"
    406 NOT_ACCEPTABLE "Not Acceptable"
    407 PROXY_AUTHENTICATION_REQUIRED "Proxy Authentication Required"
    408 REQUEST_TIMEOUT "Request Time-out"
    410 GONE "Gone"
    411 LENGTH_REQUIRED "Length Required"
    412 PRECONDITION_FAILED "Precondition Failed"
    413 REQUEST_ENTITY_TOO_LARGE "Request Entity Too Large"
    414 REQUEST_URI_TOO_LONG "Request-URI Too Long"
    415 UNSUPPORTED_MEDIA_TYPE "Unsupported Media Type"
    451 PARAMETER_NOT_UNDERSTOOD "Parameter Not Understood"
    452 CONFERENCE_NOT_FOUND "Conference Not Found"
    453 NOT_ENOUGH_BANDWIDTH "Not Enough Bandwidth"
    454 SESSION_NOT_FOUND "Session Not Found"
    455 METHOD_NOT_VALID_IN_THIS_STATE "Method Not Valid in This State"
    456 HEADER_FIELD_NOT_VALID_FOR_RESOURCE "Header Field Not Valid for Resource"
    457 INVALID_RANGE "Invalid Range"
    458 PARAMETER_IS_READ_ONLY "Parameter Is Read-Only"
    459 AGGREGATE_OPERATION_NOT_ALLOWED "Aggregate Operation Not Allowed"
    460 ONLY_AGGREGATE_OPERATION_ALLOWED "Only Aggregate Operation Allowed"
    461 UNSUPPORTED_TRANSPORT "Unsupported Transport"
    462 DESTINATION_UNREACHABLE "Destination Unreachable"
    463 KEY_MANAGEMENT_FAILURE "Key Management Failure"
    500 INTERNAL_SERVER_ERROR "Internal Server Error"
    501 NOT_IMPLEMENTED "Not Implemented"
    502 BAD_GATEWAY "Bad Gateway"
    503 SERVICE_UNAVAILABLE "Service Unavailable"
    504 GATEWAY_TIMEOUT "Gateway Time-out"
    505 RTSP_VERSION_NOT_SUPPORTED "RTSP Version Not Supported"
    551 OPTION_NOT_SUPPORTED "Option Not Supported"
}

impl StatusCode {
    /// Creates a status code; `None` unless `code` has three digits.
    pub const fn new(code: u16) -> Option<Self> {
        if code >= 100 && code <= 999 { Some(Self(code)) } else { None }
    }

    /// Returns the number.
    pub const fn code(self) -> u16 {
        self.0
    }

    /// Returns whether the code is 2xx.
    pub const fn is_success(self) -> bool {
        self.0 >= 200 && self.0 < 300
    }
}

impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, self.reason())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_three_digits_and_a_reason() {
        assert_eq!(StatusCode::new(99), None);
        assert_eq!(StatusCode::new(1000), None);
        assert_eq!(StatusCode::new(461), Some(StatusCode::UNSUPPORTED_TRANSPORT));
        assert_eq!(StatusCode::SESSION_NOT_FOUND.to_string(), "454 Session Not Found");
        assert!(StatusCode::LOW_ON_STORAGE_SPACE.is_success());
    }
}
