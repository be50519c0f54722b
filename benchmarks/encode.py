"""How fast real weights encode sentences, beside `transformers`: python benchmarks/encode.py [--rounds 11].

Both stand in one process and take turns on the same batches of 32 sentences of the prose that Python carries, padded to
the longest of a batch: fp32, two threads, no gradients. Printed: the median seconds a batch, and their quotient.
"""

import argparse
import random
import statistics

import torch
import transformers

from bertmini import Bert, load
from bertmini.bench import timed
from bertmini.hub import locate
from bertmini.manual import manual_documents

THREADS = 2


def batches(tokenizer, rounds: int, batch_size: int) -> list[tuple[torch.Tensor, ...]]:
    """(token_ids, segment_ids, keep) of sentences drawn by chance, at most 128 tokens long."""
    sentences = [sentence for document in manual_documents() for sentence in document]
    drawn = random.Random(0).sample(sentences, rounds * batch_size)
    result = []
    for start in range(0, len(drawn), batch_size):
        rows = [e.token_ids for e in tokenizer.encode_batch(drawn[start : start + batch_size], max_length=128)]
        lengths = torch.tensor([len(row) for row in rows])
        token_ids = torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True)
        keep = torch.arange(token_ids.shape[1]) < lengths[:, None]
        result.append((token_ids, torch.zeros_like(token_ids), keep))
    return result


@torch.inference_mode()
def compare(rounds: int = 11, batch_size: int = 32) -> dict[str, float]:
    """Median seconds a batch of both; AssertionError where they do not compute the same."""
    ours, tokenizer = load("minilm", Bert)
    theirs = transformers.BertModel.from_pretrained(locate("minilm")).eval()
    sides = {
        "bertmini": lambda batch: ours(*batch).hidden,
        "transformers": lambda batch: theirs(batch[0], batch[2].long(), batch[1]).last_hidden_state,
    }
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for batch in batches(tokenizer, rounds, batch_size):
        hidden = [encode(batch)[batch[2]] for encode in sides.values()]  # and both have seen this shape
        assert torch.allclose(*hidden, rtol=0, atol=1e-5)
        for name, encode in sides.items():
            seconds[name].append(timed(encode, batch, "cpu"))
    return {name: statistics.median(times) for name, times in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=11)
    torch.set_num_threads(THREADS)
    medians = compare(parser.parse_args().rounds)
    for name, median in medians.items():
        print(f"{name:13} {1000 * median:7.1f} ms a batch of 32 sentences")
    print(f"transformers takes {medians['transformers'] / medians['bertmini']:.2f} times as long")


if __name__ == "__main__":
    main()
