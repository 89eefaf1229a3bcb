"""What to do next about a probe that is not up: one sentence for each reason, for whoever was just woken."""

from __future__ import annotations

from opsbot.model.probe import Reason

_ADVICE: dict[Reason, str] = {
    Reason.DNS_TIMEOUT: "ask another server: dig @1.1.1.1 NAME; if that answers, the resolver this machine uses is down",
    Reason.DNS_NXDOMAIN: "look for the name in its zone: it was misspelt, removed, or the domain has expired",
    Reason.DNS_NODATA: "the name exists without this type of record: add the record, or choose another family with reach",
    Reason.DNS_REFUSED: "this server answers others: point dns_servers to one that serves this machine",
    Reason.DNS_SERVFAIL: "look at the zone's own name servers and at DNSSEC: delv NAME tells which signature fails",
    Reason.DNS_MALFORMED: "something between here and the DNS server changes its answers; try another server",
    Reason.DNS_UNREACHABLE: "no DNS server can be reached from here: look at /etc/resolv.conf and at this machine's network",
    Reason.DNS_LOOP: "the aliases (CNAME) of this name lead round in a circle: correct the zone",
    Reason.TCP_REFUSED: "the machine is up and nothing listens on this port: look whether the service runs, and where it listens",
    Reason.TCP_TIMEOUT: "nothing came back at all: look at security groups, firewalls, routes, and whether the machine is up",
    Reason.TCP_RESET: "something hung up at once: look at the load balancer's targets and at the service's connection limit",
    Reason.TCP_UNREACHABLE: "there is no route from here: look at this machine's routes and at the address family",
    Reason.TCP_CLOSED: "the service accepts and hangs up: look into its log for what it dislikes",
    Reason.TCP_EXPECT: "the service answers something else: compare the excerpt with what the probe waits for",
    Reason.TLS_EXPIRED: "renew the certificate now, then find out why its renewal did not run",
    Reason.TLS_NOT_YET_VALID: "compare the clock of the machine that made the certificate with this one's",
    Reason.TLS_NAME: "the certificate is for other names: install the right one, or set server_name",
    Reason.TLS_UNTRUSTED: "have the server send its intermediates too; for an authority of your own set ca_file",
    Reason.TLS_SELF_SIGNED: "install a certificate of a known authority, or name this one in ca_file",
    Reason.TLS_PROTOCOL: "the two sides share no version or cipher, or this port speaks no TLS at all",
    Reason.TLS_WEAK: "have the server offer TLS 1.2 or 1.3 and a key of today's size",
    Reason.TLS_CLIENT: "the server wants another client certificate: look at client_certificate and at its expiry",
    Reason.TLS_RESET: "the server hung up in the handshake: look at its log, and whether it knows this host name (SNI)",
    Reason.TLS_TIMEOUT: "the handshake never ended: look for a middlebox that drops large packets, and at the server's load",
    Reason.HTTP_TIMEOUT: "the connection works and the application does not answer in time: look at its load and what it waits for",
    Reason.HTTP_PROTOCOL: "what answers there does not speak HTTP as it should: look at the excerpt and at the port",
    Reason.HTTP_RESET: "the server broke off in mid-answer: look for crashes, out-of-memory kills and the proxy's limits",
    Reason.HTTP_CLOSED: "the server hung up without a whole answer: look for crashes and restarts",
    Reason.HTTP_TOO_LARGE: "the answer grew beyond its limit: probe a smaller page",
    Reason.HTTP_REDIRECTS: "follow the hops above: one of them leads back, or to a host it should not lead to",
    Reason.HTTP_STATUS: "look at the application's log of this minute",
    Reason.PROXY_UNREACHABLE: "the proxy itself does not answer: look whether it runs and whether this machine may use it",
    Reason.PROXY_REFUSED: "the proxy would not connect: look at its rules, at its credentials, and whether the target is up",
    Reason.WS_HANDSHAKE: "the server does not upgrade here: look at the path, the subprotocol, and proxies that drop the header",
    Reason.WS_PROTOCOL: "the server breaks the WebSocket protocol: look at what stands between",
    Reason.WS_TIMEOUT: "the connection stands and no reply comes: look at what the service waits for",
    Reason.WS_RESET: "the connection was cut: look at idle time-outs of load balancers and at crashes",
    Reason.WS_CLOSED: "the server closed the connection: its code above says why",
    Reason.WS_REPLY: "the service replies something else: compare the excerpt with what the probe waits for",
    Reason.GUARD_ADDRESS: "for a network of your own set allow_private = true; else find out who points this name or redirect inwards",
    Reason.GUARD_SCHEME: "the target leads to something that is not probed: look at its redirects",
    Reason.ASSERT_STATUS: "the service answers with another status than agreed: look at its log of this minute",
    Reason.ASSERT_HEADER: "a header is not as agreed: look at the last deployment, proxies and caches",
    Reason.ASSERT_BODY: "the page says something else than agreed: look at the excerpt and at the last deployment",
    Reason.ASSERT_JSON: "the service says itself that something is wrong: look at the excerpt for what it names",
    Reason.ASSERT_LATENCY: "see above which phase took the time: dns, network, TLS, or the application before its first byte",
    Reason.ASSERT_CERTIFICATE: "renew the certificate before it expires, and look why its renewal did not run",
    Reason.ASSERT_ADDRESS: "the name leads somewhere else than agreed: look at the zone and at fail-overs",
    Reason.ASSERT_PROTOCOL: "the server speaks another version than agreed: look at its and the proxy's settings",
    Reason.ASSERT_DNS: "the zone says something else than agreed: look who changed it, and ask each of its name servers",
    Reason.ASSERT_EXTRACT: "an earlier step answered without what a later one needs: look at that step's answer",
    Reason.HEARTBEAT_LATE: "look whether the job started at all, and whether it could reach this page",
    Reason.HEARTBEAT_FAILED: "the job said itself that it failed: look at its own log and exit code",
    Reason.SELF_STALLED: "this machine was too busy to tell: give it more CPU, or let fewer things run beside the probes",
    Reason.SELF_NETWORK: "this machine's own network was down: nothing can be said of the target",
    Reason.SELF_RESOURCES: "this machine lacks sockets, ports or memory: raise ulimit -n, or probe less at once",
    Reason.SELF_TARGET: "the probe itself cannot be made as it is configured: run opsbot validate --online",
    Reason.SELF_STOPPED: "the prober was stopped in mid-probe: probe again",
    Reason.SELF_ERROR: "this is a defect of opsbot: report it with the line above",
}  # fmt: skip


_STATUSES = {
    401: "the server wants other credentials: look at the probe's user, password or bearer",
    403: "the server knows who asks and refuses: look at what this probe may see, and at the firewall before it",
    404: "there is nothing at this path any more: look at the last deployment and at the probe's URL",
    407: "the proxy wants credentials: give proxy a reference to an address with user and password",
    429: "the server is asked too often: probe it less, or have it know this probe",
    502: "the proxy in front cannot use what the application answers: look whether the application runs",
    503: "the server says itself that it is not ready: look at its health, its load and the balancer's targets",
    504: "the application did not answer the proxy in front in time: look at its load and what it waits for",
}


def next_step(reason: Reason, status: int | None = None) -> str:
    """One sentence, lower case, without a full stop; `status` is the HTTP status that came."""
    if reason in (Reason.HTTP_STATUS, Reason.ASSERT_STATUS) and status in _STATUSES:
        return _STATUSES[status]
    return _ADVICE[reason]
