from analytics.service import SERVICE
from kith.service import main

main(SERVICE)
