"""Serves files with GStreamer's RTSP server on a free port of the loopback interface.

serve.py DIGEST [--secure CERTIFICATE KEY] [--record] NAME=PIPELINE...

DIGEST is "user:password", asked for by Digest authentication, or empty. With --secure it serves
over TLS, and media by SRTP only (RTP/SAVP), whose keys it tells by MIKEY. Each PIPELINE is a
gst-launch description with payloaders pay0, pay1 and so on. With --record clients publish (ANNOUNCE,
RECORD), and a PIPELINE has depayloaders depay0, depay1 and so on. Prints the port, and serves until
its standard input ends.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

ROLE = "media.factory.role"


def authentication(user, password):
    auth = GstRtspServer.RTSPAuth()
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    token = GstRtspServer.RTSPToken()
    token.set_string(ROLE, user)
    auth.add_digest(user, password, token)
    return auth


def tls(certificate, key):
    auth = GstRtspServer.RTSPAuth()
    auth.set_tls_certificate(Gio.TlsCertificate.new_from_files(certificate, key))
    token = GstRtspServer.RTSPToken()
    token.set_string(ROLE, "anybody")
    auth.set_default_token(token)
    return auth


def permissions(user):
    permissions = GstRtspServer.RTSPPermissions()
    for permission in ["media.factory.access", "media.factory.construct"]:
        permissions.add_permission_for_role(user, permission, True)
    return permissions


def main(digest, *mounts):
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service("0")
    user, _, password = digest.partition(":")
    if user:
        server.set_auth(authentication(user, password))
    is_secure = mounts[0] == "--secure"
    if is_secure:
        _, certificate, key, *mounts = mounts
        server.set_auth(tls(certificate, key))
        user = "anybody"
    records = mounts[0] == "--record"
    if records:
        _, *mounts = mounts
    for mount in mounts:
        name, pipeline = mount.split("=", 1)
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(f"( {pipeline} )")
        if records:
            factory.set_transport_mode(GstRtspServer.RTSPTransportMode.RECORD)
        if is_secure:
            factory.set_profiles(GstRtsp.RTSPProfile.SAVP)
        if user:
            factory.set_permissions(permissions(user))
        server.get_mount_points().add_factory(f"/{name}", factory)
    if server.attach(None) == 0:
        sys.exit("the server does not start")
    print(server.get_bound_port(), flush=True)
    loop = GLib.MainLoop()

    def input_ended(channel, condition):
        loop.quit()
        return False

    GLib.io_add_watch(sys.stdin, GLib.PRIORITY_DEFAULT, GLib.IO_HUP, input_ended)
    loop.run()


main(*sys.argv[1:])
