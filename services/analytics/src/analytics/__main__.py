from analytics.app import SERVICE
from kith.service import main

main(SERVICE)
