from analytics.service import SERVICE
from kith.runtime.process import main

main(SERVICE)
