"""bertmini: a BERT to read in one sitting.

The letters, everywhere the same:

    B batch   T tokens in a sequence   H hidden size   L layers   A heads   D = H / A head size
    F feed-forward size (4H)   V vocabulary   P masked positions predicted in a sequence
    R rows that the last layer computes

L, H and A are the paper's (Devlin et al. 2019), the rest ours. Segments are called first and second.

    token_ids, segment_ids   (B, T)
    keep                     (B, T) bool, True at real tokens
    positions, labels        (B, P) of the predicted tokens; unused slots hold 0 and -100
    is_random                (B,), 1 where the second segment was drawn from elsewhere, 0 where it follows

In code, `F.` is torch.nn.functional. Read the modules in the order of the data: corpus, wordpiece, tokenizer, nsp, mlm,
batches; config, dropout, embeddings, attention, encoder, pretraining; train, evaluation, checkpoint, counting. The
others bring them together (manual, run, cli), load and save (hub, disk, saved), measure (bench), serve several
processes (distributed) or read long texts (windows). microworld/ is a toy language whose best possible loss is known.
"""

from bertmini.attention import record_attention
from bertmini.checkpoint import load, save
from bertmini.config import BertConfig, InputError
from bertmini.counting import count_parameters
from bertmini.encoder import Bert
from bertmini.pretraining import BertForPreTraining, pretraining_loss
from bertmini.tokenizer import Tokenizer

__version__ = "0.1.0"

__all__ = [
    "Bert",
    "BertConfig",
    "BertForPreTraining",
    "InputError",
    "Tokenizer",
    "count_parameters",
    "load",
    "pretraining_loss",
    "record_attention",
    "save",
]
