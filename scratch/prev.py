import sys,json,time
from bertmini.lab.experiments import pretraining as e
t=time.time(); r=e.RUNS[sys.argv[1]](); json.dump({"seconds":time.time()-t,"result":r},open(f'scratch/{sys.argv[1]}.json','w'))
