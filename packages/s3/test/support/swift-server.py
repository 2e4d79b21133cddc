# python3 swift-server.py <folder> <port> <port> <port> <port>: OpenStack Swift with its S3 API on
# this machine: a proxy and the servers of accounts, containers and objects, on one "disk". It ends
# with its standard input.
import os
import pwd
import subprocess
import sys

from swift.common.ring import RingBuilder

folder = sys.argv[1]
ports = dict(zip(("proxy", "account", "container", "object"), map(int, sys.argv[2:])))
user = pwd.getpwuid(os.getuid()).pw_name
devices = os.path.join(folder, "devices")
os.makedirs(os.path.join(devices, "disk"))

STORAGE = """
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
fallocate_reserve = 0
"""
PROXY = """
[pipeline:main]
pipeline = catch_errors cache s3api tempauth proxy-server
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:cache]
use = egg:swift#memcache
[filter:s3api]
use = egg:swift#s3api
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
"""

for kind, port in ports.items():
    if kind != "proxy":
        ring = RingBuilder(1, 1, 1)
        place = {"region": 1, "zone": 1, "ip": "127.0.0.1", "port": port, "device": "disk", "weight": 1}
        ring.add_dev({"id": 0, "replication_ip": "127.0.0.1", "replication_port": port, **place})
        ring.rebalance()
        ring.get_ring().save(os.path.join(folder, kind + ".ring.gz"))
    with open(os.path.join(folder, kind + ".conf"), "w") as conf:
        conf.write(
            f"[DEFAULT]\nbind_ip = 127.0.0.1\nbind_port = {port}\nworkers = 0\nuser = {user}\n"
            f"swift_dir = {folder}\ndevices = {devices}\nmount_check = false\n"
        )
        conf.write(PROXY if kind == "proxy" else STORAGE.format(kind=kind))

servers = [
    subprocess.Popen([f"/usr/bin/swift-{kind}-server", os.path.join(folder, kind + ".conf")], stdin=subprocess.DEVNULL)
    for kind in ports
]
sys.stdin.read()
for server in servers:
    server.kill()
    server.wait()
