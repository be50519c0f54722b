import json
for n in ("tiny","mini"):
    d=json.load(open(f"data/runs/pretrain-microworld-{n}.json"))
    for m in [x for x in d["metrics"] if "held_out_mlm_loss_masked" in x][-1:]:
        U,F,O,M=m["unigram_mlm_loss_masked"],m["floor_mlm_loss_masked"],m["own_sentence_mlm_loss_masked"],m["held_out_mlm_loss_masked"]
        print(n,d["seconds"],d["options"]["steps"],m["step"],f"uni {U:.3f} floor {F:.3f} own {O:.3f} model {M:.3f} | {(U-M)/(U-F):.1%} {(O-M)/(O-F):.1%} nsp {m['held_out_nsp_accuracy']:.3f} best {m['best_nsp_accuracy']:.3f} se {m['floor_standard_error']:.3f}")
        print({k:(round(v["model"],2),round(v["floor"],2),round(v["own_sentence"],2)) for k,v in m["phenomena"].items()})
