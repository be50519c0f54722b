"""exp.py GRAMMAR NAME [key=value...]"""
import sys, time, math, json, tempfile, dataclasses
from pathlib import Path
import torch, numpy as np
torch.set_num_threads(1)
from bertmini import BertConfig
from bertmini.microworld import Grammar, Floor, window_pairs
from bertmini.microworld.generate import prepare_world
from bertmini.microworld.measure import measure, rows, sentences
from bertmini.corpus import Corpus
from bertmini.evaluation import *
from bertmini.train import Options, Training, stream
from bertmini.run import WORLD_MODEL
import bertmini.train as tr
g = Grammar.load(sys.argv[1]); name = sys.argv[2]
kw = dict(a.split("=") for a in sys.argv[3:])
steps=int(kw.get("steps",12000)); bs=int(kw.get("bs",16)); lr=float(kw.get("lr",0.002)); share=float(kw.get("share",0.3)); seed=int(kw.get("seed",0)); preset=kw.get("preset","tiny"); init=float(kw.get("init",0.06)); stories=int(kw.get("stories",50000)); stop=int(kw.get("stop",steps))
tr.WARM_UP=float(kw.get("warm",0.1))
fl = Floor(g)
with tempfile.TemporaryDirectory() as d:
    d=Path(d); prepare_world(g, min(stories, steps*bs), seed, d)
    corpus, held = Corpus.open(d/"train"), Corpus.open(d/"held_out")
    tok=g.tokenizer
    ev = held_out_batches(held, tok, 64, 16, window_pairs, 1000)
    t=time.time(); pl = measure(fl, ev)
    # slots of predicted tokens
    slots=[]
    for shown, seg, pos, lab, r in rows(ev):
        true=shown.copy(); true[pos]=lab
        names={}
        for place,b,a in sentences(true, tok.vocab["."], tok.sep_id):
            rd=fl.reading(true[place])
            for k,n in enumerate(rd): names[place.start+k]=n
        slots += [names.get(p) or "-" for p in pos]
    slots=np.array(slots)
    uni = unigram_nats(corpus, len(tok))
    m=pl.masked; F=pl.floor[m].mean(); O=pl.own_sentence[m].mean(); 
    print(f"{name} {kw} floor {F:.3f} own {O:.3f} gap {O-F:.3f} best nsp {pl.next_sentence.mean():.3f} order {pl.order.mean():.3f} V {len(tok)} T {np.mean([len(r[0]) for r in rows(ev)]):.1f} ({time.time()-t:.0f}s)", flush=True)
    if kw.get("bags"):
        from bertmini.microworld import stories as st
        import bertmini.lab.experiments.next_sentence as ns
        from bertmini.corpus import write_corpus
        from itertools import islice
        ns.GRAMMAR=g; ns.SEEDS=(0,); ns.PASSES=6
        told=st(g,7)
        h2,t2=(write_corpus((s.texts() for s in islice(told,c)), tok, d/n) for n,c in (("h2",2000),("t2",30000)))
        hb=ns.instances(h2, window_pairs,0,0); passes=[ns.instances(t2,window_pairs,1,n) for n in range(6)]
        print(name,"bags", ns.play_with_bags(ns.TwoBags,"next sentence",passes,hb), "best", pl.next_sentence.mean(), flush=True)
        if kw["bags"]=="only": sys.exit()
    opts=Options(corpus="microworld",preset=preset,vocab_size=len(tok),steps=steps,batch_size=bs,max_length=64,seed=seed,learning_rate=lr,masked_lm_prob=share,device="cpu",precision="fp32")
    cfg=dataclasses.replace(BertConfig.preset(preset,vocab_size=len(tok)), **(WORLD_MODEL|{"initializer_range":init}))
    T=Training(cfg,opts)
    uu=None; t=time.time(); used=0.0
    every=steps//10
    for e,nb,b in stream(corpus,tok,opts,0,0,0,window_pairs):
        T.epoch,T.next_batch=e,nb
        T.update(b)
        if T.step%every==0 or T.step==stop:
            used=time.process_time()
            s=score(T.model, ev, tok.mask_id); assert (s.masked.numpy()==m).all()
            n=s.nats.numpy(); M=n[m].mean(); U=uni[s.labels].numpy()[m].mean()
            ex={}
            for sl in set(slots[m]):
                i=m&(slots==sl); ex[sl]=((n[i]-pl.floor[i]).sum()/m.sum(), (pl.own_sentence[i]-pl.floor[i]).sum()/m.sum())
            top=sorted(ex.items(), key=lambda kv:-kv[1][0])[:7]
            print(f"{name} {T.step:6} {M:.3f} uni {(U-M)/(U-F):.1%} own {(O-M)/(O-F):.0%} nsp {s.nsp_right.float().mean():.3f}/{pl.next_sentence.mean():.3f} {time.time()-t:.0f}s cpu {used:.0f} | "+" ".join(f"{k} {a*1000:.0f}/{b*1000:.0f}" for k,(a,b) in top), flush=True)
        if T.step==stop: break
    from collections import defaultdict
    dd=defaultdict(float)
    for l,sl,e in zip(s.labels.numpy()[m],slots[m],(n-pl.floor)[m]): dd[tok.tokens[l] if sl=="-" else "{"+sl+"}"]+=e/m.sum()*1000
    print(name, "top", [(k,round(v,1)) for k,v in sorted(dd.items(), key=lambda kv:-kv[1])[:25]])
    print(name, "phen", {k:(round(float(n[v&m].mean()),3),round(float(pl.floor[v&m].mean()),3),round(float(pl.own_sentence[v&m].mean()),3)) for k,v in pl.phenomena.items()}, flush=True)
    if kw.get("save"):
        from bertmini import save
        save(Path("runs/trials")/name, T.model, tok)
