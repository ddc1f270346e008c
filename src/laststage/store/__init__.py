"""The place on disk that outlives a build: bytes and digests only, and nothing half done.

oci-layout, index.json, blobs/     images and their layers: an OCI image layout
snapshots/ID/                      unpacked layers, each as an overlay lower folder
records/KIND/                      small facts about them: results, bases, layers, weights
packages/, downloads/, debian/     what was downloaded
caches/ID/                         cache mounts
stats/, receipts/                  what lets an unchanged build end early
partial/                           what came so far of blobs that are being fetched, locked by who does
locks/, leases/                    who works with what
staging/                           work in progress, never read by anyone else
"""
