"""Fill in the numbers of data/runs/mlm-cbow.json in notebook 06: run once, when the new run is there."""
import json
P='notebooks/06_masked_language_model.ipynb'
R=json.load(open('data/runs/mlm-cbow.json')); r={k:v[0] for k,v in R['result'].items()}
c={k:v for k,v in r.items() if k.startswith('CBOW')}; name=min(c,key=c.get); best=c[name]
bert,floor=r['BERT (mini)'],r['best possible']
behind,near=best-bert,bert-floor
yes=behind>0.5; assert near<0.15, near
print(r, 'best', name, 'behind', behind, 'near', near, 'sec', R['seconds'])
nb=json.load(open(P)); cells={x['id']:x for x in nb['cells']}
def put(i,s): cells[i]['source']=s.splitlines(keepends=True)
s=''.join(cells['c06-050']['source'])
put('c06-050', s)
m=cells['c06-051']['metadata']['mystnb']
m['figure']['caption']=f"The same 1,000 gaps in the same text, for five players. One who only knows word frequencies would lose {r['word frequencies']:.2f}."
m['image']['alt']=(f"Five horizontal bars of loss in nats: CBOW with 2 neighbours on each side {c['CBOW, 2 on each side']:.2f}, with 5 {c['CBOW, 5 on each side']:.2f}, "
  f"with the whole text {c['CBOW, whole text']:.2f}, BERT mini {bert:.2f}, best possible {floor:.2f}.")
s=''.join(cells['c06-051']['source'])
if name!='CBOW, whole text': s=s.replace('cbow["CBOW, whole text"][1]',f'cbow["{name}"][1]').replace('assert best_cbow == nats["CBOW, whole text"]',f'assert best_cbow == nats["{name}"]')
if yes: s=s.replace('assert best_cbow - nats["BERT (mini)"] > 3 * noise  # behind, but less than we expected','assert best_cbow - nats["BERT (mini)"] > max(0.5, 3 * noise)')
put('c06-051', s)
says={'CBOW, whole text':'with the whole text','CBOW, 5 on each side':'with five neighbours on each side','CBOW, 2 on each side':'with two neighbours on each side'}[name]
open_=(f"Both expectations came true. BERT is {near:.2f} nats from the best that is possible, and the best CBOW, {says}, is {behind:.2f} behind BERT ({{numref}}`fig-cbow`)."
 if yes else
 f"One of our two expectations was wrong, and it stays on the page. BERT is where we thought, {near:.2f} nats from the best that is possible. But the best CBOW, {says}, is behind BERT by {behind:.2f}, not by half a nat ({{numref}}`fig-cbow`).")
middle=("\n(It had made nearly three times as many guesses as BERT in its training.) So \"CBOW also fills a gap\" is half true: "
 f"of the {r['word frequencies']-floor:.1f} nats between word frequencies and the best player it closes {(r['word frequencies']-best)/(r['word frequencies']-floor):.0%}, "
 "for in our small world the *set* of the words in sight tells a great deal. (And a mean keeps more of a set than one might think: [chapter 2](02_embeddings.ipynb) took sums of wide rows apart again.)\n"
 "But CBOW fills it from a bag. "
 + ("With the whole text in the mean it does not even know *where* the gap is; it answers the question which word is missing from this set. " if name=='CBOW, whole text' else
    "It does not know which of the neighbours stood before the gap and which behind it, and with the whole text in the mean it does not even know *where* the gap is. ")
 + f"It stays {best-floor:.2f} nats from the best that is possible.")
put('c06-052', open_+middle)
json.dump(nb,open(P,'w'),indent=1,ensure_ascii=False); open(P,'a').write('\n')
print(open_+middle)
