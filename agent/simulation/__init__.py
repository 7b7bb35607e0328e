"""A hospital in a box: scanners, peers that misbehave, and a PACS with moods, all from one seed.

    plan = day(seed=7, begins_at=datetime(2026, 3, 2, tzinfo=UTC), wishes=Wishes(studies=200))  # what is sent, and when
    with SendingLedger(Path("sent.jsonl")) as ledger, MoodyPacs(Path("pacs")) as pacs:
        pacs.follow(moods(seed=7, seconds=600))                           # or pacs.be(Mood.REFUSES)
        sender = Sender(Peer.parse("TIBABU@127.0.0.1:11112"), ledger)
        sender.run(plan, speed=None, tries=None)                          # as fast as it goes, until all are taken
    taken = acknowledged(read_sendings(Path("sent.jsonl")))               # {SOP Instance UID: {digest, ...}}
    there = acknowledged(read_receipts(Path("pacs/received.jsonl")))      # the same of the PACS

The same seed and wishes give the same plan, and each planned Instance the same bytes. Digests are those of the agent:
of the file that its store makes of a dataset, which is column `sha256` of its tables `instance` and `report`.
"""
